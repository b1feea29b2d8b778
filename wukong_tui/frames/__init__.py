"""From a cursor to what the panes show: state, layout, frames."""
