"""The families of models of which an ensemble is made, each in a file of its own."""
