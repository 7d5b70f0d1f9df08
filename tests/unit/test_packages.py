"""Packages: the ones the documents name, exact prices, and every slip of the pen stops the start."""

from pathlib import Path

import pytest

from config.packages import PackagesError, load_packages

_GOOD = '[[packages]]\nid = "a"\nname = "A"\ncredits = "1.5"\nprice_cents = 100\n[points]\npoints_per_cent = "2.5"\n'


def test_the_documents_packages_are_there() -> None:
    packages = load_packages()
    assert packages.by_id["pkg_starter"].micro == 1_000_000_000
    assert packages.by_id["pro"].cents == 5_000
    assert packages.points_cents(10_000) == 1_000


def test_prices_are_exact_and_rounded_up(tmp_path: Path) -> None:
    (tmp_path / "packages.toml").write_text(_GOOD)
    packages = load_packages(tmp_path / "packages.toml")
    assert packages.by_id["a"].micro == 1_500_000
    assert [packages.points_cents(points) for points in (1, 2, 3, 5, 6)] == [1, 1, 2, 2, 3]


@pytest.mark.parametrize(
    ("good", "bad", "named"),
    [
        ('"1.5"', '"0"', "credits"),
        ('"1.5"', '"-1"', "credits"),
        ('"1.5"', '"NaN"', "credits"),
        ('"1.5"', "1.5", "credits"),
        ('"1.5"', '"0.0000001"', "six decimals"),
        ("= 100", "= 0", "price_cents"),
        ("= 100", "= 99.5", "price_cents"),
        ("= 100", "= true", "price_cents"),
        ('"a"', '"a b"', "id"),
        ('"A"', '" "', "name"),
        ('name = "A"\n', "", "must have"),
        ('"2.5"', '"0"', "points_per_cent"),
        ("[points]\npoints_per_cent", "[other]\nx", "points_per_cent"),
        ("[points]", _GOOD.partition("[points]")[0] + "[points]", "twice"),
        ("[[packages]]", "[[nothing]]", "there is none"),
        ("[[packages]]", "[[packages", "packages.toml"),
        ("[[packages]]", "[packages]", "as .*packages"),
        (_GOOD, "packages = [1]", "as .*packages"),
        (_GOOD, "points = 10", "table .points"),
    ],
)
def test_what_cannot_be_used_is_named(tmp_path: Path, good: str, bad: str, named: str) -> None:
    path = tmp_path / "packages.toml"
    path.write_text(_GOOD.replace(good, bad))
    with pytest.raises(PackagesError, match=named):
        load_packages(path)
