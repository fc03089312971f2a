"""Real servers for the tests: started on free loopback ports, or named in the environment."""
