-- Accounts under an invariant: every order moves an amount between two of them, so their sum never changes.
CREATE TABLE accounts (id integer PRIMARY KEY, balance bigint NOT NULL, note text NOT NULL);
CREATE TABLE orders (
  seq bigint PRIMARY KEY,
  debit integer NOT NULL REFERENCES accounts,
  credit integer NOT NULL REFERENCES accounts,
  amount bigint NOT NULL CHECK (amount > 0),
  note text NOT NULL
);
