"""The handlers of URLs: one module ``protocol_X`` for each scheme ``X://``."""
