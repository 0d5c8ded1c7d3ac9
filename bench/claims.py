"""What is claimed: a value of one run, and what it is to reach."""

RESULTS = []


def claim(text, value, limit):
    good = value <= limit
    RESULTS.append({"claim": text, "value": round(value, 4), "limit": limit, "reached": good})
    print(f"- {text}: **{value:.3f}** (to reach: at most {limit:.3f}) {'reached' if good else 'NOT REACHED'}",
          flush=True)
