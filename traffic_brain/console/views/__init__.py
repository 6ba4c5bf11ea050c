"""What each page shows, as plain values: the pages and the REST interface share them."""
