#!/bin/sh
# Starts PostgreSQL as the container's process; makes the data directory first when there is none.
set -eu
bin=/usr/lib/postgresql/15/bin
: "${PGDATA:=/var/lib/postgresql/data}" "${POSTGRES_USER:=postgres}"
: "${POSTGRES_DB:=$POSTGRES_USER}"
mkdir -p "$PGDATA" /run/postgresql
chown postgres:postgres "$PGDATA" /run/postgresql
# Directories on volumes of their own: the WAL's, and those of tablespaces.
for place in ${POSTGRES_INITDB_WALDIR:-} ${POSTGRES_SPACES:-}; do
	mkdir -p "$place"
	chown postgres:postgres "$place"
	chmod 700 "$place"
done
chmod 700 "$PGDATA"
as_postgres() { setpriv --reuid=postgres --regid=postgres --clear-groups "$@"; }
# Every ordinal but the first is a standby of the first, where there is one to follow.
if [ ! -s "$PGDATA/PG_VERSION" ] && [ -n "${POSTGRES_PRIMARY:-}" ] && [ "${HOSTNAME##*-}" != 0 ]; then
	until PGPASSWORD=$POSTGRES_PASSWORD as_postgres "$bin/pg_basebackup" --host="$POSTGRES_PRIMARY" --username="$POSTGRES_USER" \
		--pgdata="$PGDATA" --write-recovery-conf --wal-method=stream --checkpoint=fast; do
		find "$PGDATA" -mindepth 1 -delete
		sleep 1
	done
fi
if [ ! -s "$PGDATA/PG_VERSION" ]; then
	password=$(mktemp)
	chown postgres "$password"
	printf '%s\n' "${POSTGRES_PASSWORD:?is needed to make a database}" >"$password"
	as_postgres "$bin/initdb" --pgdata="$PGDATA" --username="$POSTGRES_USER" --pwfile="$password" \
		--auth-local=trust --auth-host=scram-sha-256 --data-checksums --encoding=UTF8 --locale=C.UTF-8 \
		${POSTGRES_INITDB_WALDIR:+--waldir="$POSTGRES_INITDB_WALDIR"} >/dev/null
	rm -f "$password"
	printf 'host all all all scram-sha-256\nhost replication all all scram-sha-256\n' >>"$PGDATA/pg_hba.conf"
	if [ "$POSTGRES_DB" != postgres ]; then
		printf 'CREATE DATABASE "%s"\n' "$POSTGRES_DB" |
			as_postgres "$bin/postgres" --single -j -D "$PGDATA" postgres >/dev/null
	fi
fi
# A copy of a running server still has the lock file of its old life.
rm -f "$PGDATA/postmaster.pid"
exec setpriv --reuid=postgres --regid=postgres --clear-groups "$bin/postgres" -D "$PGDATA" -c listen_addresses='*' "$@"
