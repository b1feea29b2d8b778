"""The store: one database of journal, versions and contents. It knows no folder."""
