"""Templates: what they may say, where they are wrong, and that none can run away or break out."""

import pytest

from schemas.templating import MAX_OUTPUT, TemplateFaultError, check, render

SAMPLE = {"title": "a<b", "rows": [["x", "1"], ["y", "2"]], "event": {"value": "3"}, "long": "z" * 2000}


def test_a_template_is_filled_in_and_html_is_escaped() -> None:
    source = "{{ title }}{% for label, text in rows %};{{ label|upper }}={{ text }}{% endfor %}"

    assert render(source, SAMPLE) == "a<b;X=1;Y=2"
    assert render(source, SAMPLE, html=True) == "a&lt;b;X=1;Y=2"


@pytest.mark.parametrize(
    ("source", "line", "words"),
    [
        ("{{ title", 1, "end of"),
        ("x\n{{ tilte }}", 2, "tilte is not known here: there are event, long, rows, title"),
        ("a\n\n{{ event.vlue }}", 3, "no attribute 'vlue'"),
        ("{% if title %}\n{{ rows }}{% endif %}", 2, "a list cannot be written"),
        ("{{ title.__class__.__mro__ }}", 1, "unsafe"),
        ("{{ title.upper() }}", 1, "call is not taken"),
        ("{{ range(9) }}", 1, "not"),
        ("{% set x = 1 %}", 1, "assign is not taken"),
        ("{{ 'x' * 999999999 }}", 1, "mul is not taken"),
        ("{{ title|safe }}", 1, "filter safe is not taken"),
        ("{% include 'other' %}", 1, "include is not taken"),
        ("{{ " + "(" * 3000 + "1" + ")" * 3000 + " }}", 1, "nested too deeply"),
        ("{% for a in long %}{% for b in long %}{% endfor %}{% endfor %}", 1, "more than 20000 steps"),
        ("{% for a in long %}{{ long }}{% endfor %}", 1, f"more than {MAX_OUTPUT} characters"),
        ("{{ 1 / 0 }}", 1, "division by zero"),
    ],
)
def test_a_template_with_an_error_is_told_with_its_line(source: str, line: int, words: str) -> None:
    with pytest.raises(TemplateFaultError) as found:
        check(source, [SAMPLE])
    assert found.value.line == line
    assert words in found.value.message
