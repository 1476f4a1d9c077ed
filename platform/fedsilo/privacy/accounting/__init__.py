"""Privacy accounting: the epsilon of given noise, and the noise for a given epsilon. Independent of federations."""
