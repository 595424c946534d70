"""The console's pages: one module each. A view reads queries, makes at most one operation call, and renders."""
