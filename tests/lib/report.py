"""From pytest's junit file to lines of results: report.py NAME STATUS FILE."""
import sys
import xml.etree.ElementTree as ET


def outcome(case):
    for word, tag in (("fail", "failure"), ("fail", "error"), ("skip", "skipped")):
        found = case.find(tag)
        if found is not None:
            return word, " ".join((found.get("message") or "").split())[:120]
    return "pass", ""


def main(name, status, path):
    failed = 0
    try:
        cases = list(ET.parse(path).getroot().iter("testcase"))
    except (OSError, ET.ParseError):
        cases = []
    for case in cases:
        word, reason = outcome(case)
        failed += word == "fail"
        module = case.get("classname", "").rsplit(".", 1)[-1]
        print(word, f"{name}: {module}: {case.get('name')}".replace("\t", " "), reason, sep="\t")
    if not cases or (status != "0" and not failed):
        print("fail", name, f"pytest ended with status {status}", sep="\t")


if __name__ == "__main__":
    main(*sys.argv[1:])
