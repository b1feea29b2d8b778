"""Our themes for Textual's own widgets."""

from __future__ import annotations

from rich.style import Style
from textual.theme import Theme as TextualTheme

from themes import Theme


def textual_theme(theme: Theme) -> TextualTheme:
    """A theme of ours as Textual's variables, so that its widgets, scrollbars and screens look the same."""
    styles = {name: Style.parse(style) for name, style in theme.styles.items()}

    def front(name: str) -> str:
        color = styles[name].color
        return color.get_truecolor().hex if color else front("text")

    def behind(name: str) -> str:
        color = styles[name].bgcolor
        return color.get_truecolor().hex if color else theme.ground

    return TextualTheme(
        name=f"wukong-{theme.name}",
        primary=front("accent"),
        secondary=front("title"),
        accent=front("accent"),
        warning=front("warn"),
        error=front("fail"),
        success=front("ok"),
        foreground=front("text"),
        background=theme.ground,
        surface=theme.ground,
        panel=behind("bar"),
        boost=behind("here"),
        dark=theme.dark,
        variables={
            "border": front("rule"),
            "border-blurred": front("rule"),
            "block-cursor-background": behind("live"),
            "block-cursor-foreground": front("live"),
            "block-cursor-text-style": "bold",
            "input-cursor-background": behind("live"),
            "input-cursor-foreground": front("live"),
            "input-cursor-text-style": "none",
            "input-selection-background": behind("select"),
            "scrollbar": front("rule"),
            "scrollbar-hover": front("faint"),
            "scrollbar-active": front("faint"),
            "scrollbar-background": theme.ground,
            "scrollbar-background-hover": theme.ground,
            "scrollbar-background-active": theme.ground,
            "scrollbar-corner-color": theme.ground,
            "footer-background": behind("bar"),
            "footer-key-foreground": front("strong"),
            "link-color": front("link"),
            "link-background": theme.ground,
            "link-background-hover": behind("here"),
            "link-color-hover": front("accent"),
        },
    )
