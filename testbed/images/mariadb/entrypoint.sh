#!/bin/sh
# Starts MariaDB as the container's process; makes the data directory first when there is none.
set -eu
: "${MARIADB_DATABASE:=app}" "${MARIADB_DATADIR:=/var/lib/mysql/data}"
mkdir -p "$MARIADB_DATADIR" /run/mysqld
chown mysql:mysql "$MARIADB_DATADIR" /run/mysqld
if [ ! -d "$MARIADB_DATADIR/mysql" ]; then
	: "${MARIADB_ROOT_PASSWORD:?is needed to make a database}"
	mariadb-install-db --no-defaults --user=mysql --datadir="$MARIADB_DATADIR" --skip-test-db \
		--auth-root-authentication-method=normal >/dev/null
	mariadbd --no-defaults --user=mysql --datadir="$MARIADB_DATADIR" --bootstrap <<-SQL
		FLUSH PRIVILEGES;
		CREATE DATABASE IF NOT EXISTS \`$MARIADB_DATABASE\`;
		ALTER USER root@localhost IDENTIFIED BY '$MARIADB_ROOT_PASSWORD';
	SQL
fi
exec mariadbd --no-defaults --user=mysql --datadir="$MARIADB_DATADIR" --socket=/run/mysqld/mysqld.sock \
	--bind-address=0.0.0.0 --log-bin=binlog --sync-binlog=1 --innodb-flush-log-at-trx-commit=1 "$@"
