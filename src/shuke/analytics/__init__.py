"""Reports: figures kept ready from what the rooms below publish, and the questions pages ask of them."""
