#!/usr/bin/env bash
# Kafka and InfluxDB for the tests, from the package registries into .servers/. Minutes, once; needs a JDK with Maven, Go and Rust.
# A Chromium for the tests of pages, unpacked there too where apt-get is at hand; without it those tests are skipped.
set -euo pipefail
cd "$(dirname "$0")/../.."
here=$PWD/tests/servers
servers=$PWD/.servers

need() {
  for tool in "$@"; do
    command -v "$tool" > /dev/null || { echo "make servers: '$tool' is not installed; it is needed to build $what" >&2; exit 1; }
  done
}

kafka() {
  what="Kafka"; need java mvn
  rm -rf "$servers/kafka.partial"
  mvn --quiet --batch-mode --file "$here/kafka-build/pom.xml" dependency:copy-dependencies -DoutputDirectory="$servers/kafka.partial/lib"
  mv "$servers/kafka.partial" "$servers/kafka"
}

influxdb() {
  what="InfluxDB"; need go cargo
  local build=$servers/influxdb.partial
  rm -rf "$build" && mkdir -p "$build/bin"
  cp "$here/influxdb-build/tools.go" "$build/"
  cp "$here/influxdb-build/go.mod.txt" "$build/go.mod"
  # influxd's Flux engine is Rust and denies warnings, newer compilers warn about more
  printf '#!/bin/sh\nexec "$@" --cap-lints warn\n' > "$build/rustc" && chmod +x "$build/rustc"
  (
    cd "$build"
    GOBIN=$build/bin go install github.com/influxdata/pkg-config@v0.2.14
    export PATH=$build/bin:$PATH RUSTUP_TOOLCHAIN=stable RUSTC_WRAPPER=$build/rustc
    go mod tidy > tidy.log 2>&1 || { cat tidy.log >&2; exit 1; }
    go build -o influxd github.com/influxdata/influxdb/v2/cmd/influxd
  )
  mkdir -p "$servers/influxdb" && mv "$build/influxd" "$servers/influxdb/influxd" && rm -rf "$build"
}

# what Debian would install, in a folder of its own: needs no root, but root alone can renew the lists first
unpack_chromium() {
  local build=$servers/chromium.partial packages
  rm -rf "$build" && mkdir -p "$build" || return
  # a mirror that cannot be reached must not hold up the servers
  local apt="timeout 300 apt-get -o Acquire::Retries=0 -o Acquire::http::Timeout=20 -o Acquire::https::Timeout=20"
  [ "$(id -u)" != 0 ] || $apt --quiet=2 update || return
  packages=$($apt --simulate --no-install-recommends install chromium fonts-dejavu-core) || return
  packages=$(awk '$1 == "Inst" { print $2 }' <<< "$packages")
  (
    cd "$build"
    # shellcheck disable=SC2086 # a list of names
    $apt --quiet=2 download $packages || exit
    for package in ./*.deb; do dpkg -x "$package" . || exit; done
    rm ./*.deb
  ) || return
  echo '<fontconfig><dir>/usr/share/fonts</dir><dir prefix="relative">usr/share/fonts</dir></fontconfig>' > "$build/fonts.conf"
  mv "$build" "$servers/chromium"
}

mkdir -p "$servers"
for server in kafka influxdb; do
  if [ ! -e "$servers/$server" ]; then
    echo "building $server into .servers/$server"
    "$server"
  fi
done

if ! command -v chromium > /dev/null && [ ! -e "$servers/chromium" ]; then
  echo "unpacking chromium into .servers/chromium"
  unpack_chromium > "$servers/chromium.log" 2>&1 ||
    echo "make servers: no chromium, see .servers/chromium.log; the tests that open pages are skipped"
fi
