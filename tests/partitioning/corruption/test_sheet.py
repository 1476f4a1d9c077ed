from PIL import Image

from fedsilo.partitioning.corruption.__main__ import main
from fedsilo.partitioning.corruption.kinds import KINDS


def test_the_sheet_shows_all_kinds_and_severities(tmp_path):
    assert main([str(tmp_path / "sheet.png"), "--label", "star", "--domain", "sketch", "--columns", "1"]) == 0
    with Image.open(tmp_path / "sheet.png") as sheet:
        assert sheet.height == 14 + 64 * len(KINDS)
        rows = [
            [sheet.crop((68 + 64 * across, top, 132 + 64 * across, top + 64)).tobytes() for across in range(6)]
            for top in range(14, sheet.height, 64)
        ]
    assert len({row[0] for row in rows}) == 1
    assert all(len(set(row)) == 6 for row in rows)
