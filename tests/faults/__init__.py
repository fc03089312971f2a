"""Real workers against a real broker and a real InfluxDB, and everything that goes wrong at 3 a.m."""
