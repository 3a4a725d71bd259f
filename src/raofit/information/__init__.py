"""Information: what measurements can tell about parameters, whatever the estimator."""
