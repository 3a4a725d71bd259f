"""Estimators: measurements in, one `Estimate` out; maximum likelihood and networks share the contract."""
