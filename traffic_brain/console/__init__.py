"""The planner's console: pages and a REST interface over the folders of nights.

Plain FastAPI, Jinja2 and a little JavaScript of our own, no NiceGUI: its pages are built in the
browser by a framework that compiles templates at run time, which a strict content policy forbids;
each reader would cost the server a socket and a state of his own; and a dragged offset must be
redrawn in the browser itself. So pages are rendered here, figures are drawn from the engine's own
numbers, and nothing is fetched but from this server.

The console decides nothing by itself: approvals, exports and changes are those of
`traffic_brain.deployment`, optimisations and checks those of `traffic_brain.nightly`.
"""
