//! Languages: which ones there are, what to fall back to, and their words and number forms.
