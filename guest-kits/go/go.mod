module sandbox.example/guest

go 1.24
