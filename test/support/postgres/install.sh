#!/bin/sh
# Installs Debian's PostgreSQL and PgBouncer for the tests, as root, without starting a server of the system.
set -eu
if [ ! -e /usr/lib/postgresql ]; then
  mkdir -p /etc/postgresql-common/createcluster.d
  echo 'create_main_cluster = false' >/etc/postgresql-common/createcluster.d/without-main.conf
fi
policy=/usr/sbin/policy-rc.d
if [ ! -e "$policy" ]; then
  trap 'rm -f "$policy"' EXIT
  printf '#!/bin/sh\nexit 101\n' >"$policy"
  chmod +x "$policy"
fi
apt-get update -qq </dev/null
export DEBIAN_FRONTEND=noninteractive
apt-get install -y -qq --no-install-recommends postgresql pgbouncer </dev/null >/dev/null
