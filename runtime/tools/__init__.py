"""Capabilities: atomic commands with a typed signature, declared effects and a permission."""
