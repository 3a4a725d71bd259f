"""Quantitative magnetization transfer: the semi-solid pool, pulses, trains, and the signal model built of them."""
