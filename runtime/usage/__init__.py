"""Tokens and money: what calls cost, totals at any cursor, budgets."""
