"""HTTP and the four dialects: the only layer that imports `tornado.web`. It knows no money and no database of its own."""
