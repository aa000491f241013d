CREATE EXTENSION IF NOT EXISTS amcheck;
CREATE TABLE accounts (id int PRIMARY KEY, balance bigint NOT NULL, filler text);
INSERT INTO accounts SELECT n, 1000, repeat(md5(n::text), 8) FROM generate_series(0, 9999) AS n;
CREATE TABLE log (worker int, n bigint, at timestamptz DEFAULT clock_timestamp(), PRIMARY KEY (worker, n));
