from setuptools import find_packages, setup

# methods/, protocols/ and results/ lie at the top of the tree and are installed as merbench.methods and so on.
top = ["methods", "protocols", "results"]
mapped = [p for name in top for p in [name, *(f"{name}.{s}" for s in find_packages(name))]]
setup(
    packages=[*find_packages(include=["merbench*"]), *(f"merbench.{p}" for p in mapped)],
    package_dir={f"merbench.{name}": name for name in top},
    package_data={
        "merbench.databases": ["reading/*.yaml", "releases/*.csv"],
        "merbench.methods": ["**/card.yaml", "**/README.md"],
        "merbench.protocols": ["*.yaml", "*.bib", "families/*.yaml", "lists/*.csv"],
        "merbench.results": ["published/*.csv", "published/*.yaml", "leaderboard/*/*/*", "audits/*/*"],
    },
)
