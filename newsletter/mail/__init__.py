"""One message: its words, its bytes and its way out; knows nothing of why it is sent."""
