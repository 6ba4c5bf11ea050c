"""The REST interface: the console's figures and acts for programs, and for its own pages.

Whoever asks sends a token (``Authorization: Bearer …``) or, from the console's pages, the session
with the page's mark. Functions that compute run in threads of the server.
"""
