"""raofit: quantitative-MRI parameter maps from estimators whose bias and variance are known."""
