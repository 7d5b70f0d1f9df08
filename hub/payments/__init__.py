"""Payments: money from outside becomes credits or points, once for each payment, whoever reports it first."""
