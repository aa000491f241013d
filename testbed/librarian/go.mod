module refloat.io/testbed/librarian

go 1.26
