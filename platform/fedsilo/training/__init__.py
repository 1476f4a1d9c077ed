"""Training in a client and on the server: gradients, optimizer steps, local epochs, recipes of methods."""
