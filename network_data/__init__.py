"""The city's road network: importers into one set of tables, and the folder that holds them."""
