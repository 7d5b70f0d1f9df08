"""AI companies' APIs: pure converters, one transport that does all the I/O, and the built-in sandbox."""
