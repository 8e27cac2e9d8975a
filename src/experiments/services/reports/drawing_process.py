"""Draws: reads specifications, a line each, and answers each with a line. Run by `drawing`, never imported."""

import json
import signal
import sys


def main() -> None:
    """Answer until there is nothing more to read."""
    import vl_convert

    signal.signal(signal.SIGINT, signal.SIG_IGN)  # whoever reads decides when to stop
    started = {"data": {"values": [{"x": 1}]}, "mark": "point", "encoding": {"x": {"field": "x"}}}
    vl_convert.vegalite_to_svg(started)  # what takes long, before it is asked for
    for line in sys.stdin:
        try:
            answer = {"svg": vl_convert.vegalite_to_svg(json.loads(line), allowed_base_urls=[])}
        except Exception as error:  # noqa: BLE001  it is told to whoever asked
            answer = {"error": str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__}
        sys.stdout.write(json.dumps(answer) + "\n")
        sys.stdout.flush()


if __name__ == "__main__":
    main()
