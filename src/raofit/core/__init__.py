"""Parameters, protocols, errors, status codes, special functions: what every floor above stands on."""
