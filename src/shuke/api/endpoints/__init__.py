"""The endpoints, one module per room. Importing this package registers them all."""
