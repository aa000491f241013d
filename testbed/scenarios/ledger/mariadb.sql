CREATE TABLE accounts (id int PRIMARY KEY, balance bigint NOT NULL, filler text) ENGINE=InnoDB;
INSERT INTO accounts SELECT seq, 1000, repeat(md5(seq), 8) FROM seq_0_to_9999;
CREATE TABLE log (worker int, n bigint, at timestamp(6) DEFAULT current_timestamp(6), PRIMARY KEY (worker, n)) ENGINE=InnoDB;
CREATE TABLE visits (worker int, n bigint) ENGINE=MyISAM;
CREATE USER IF NOT EXISTS root@'%' IDENTIFIED BY 'not-a-secret-either';
GRANT ALL ON *.* TO root@'%' WITH GRANT OPTION;
