from setuptools import find_packages, setup

# methods/, protocols/ and results/ lie at the top of the tree and are installed as merbench.methods and so on.
top = ["methods", "protocols", "results"]
mapped = [p for name in top for p in [name, *(f"{name}.{s}" for s in find_packages(name))]]
setup(
    packages=[*find_packages(include=["merbench*"]), *(f"merbench.{p}" for p in mapped)],
    package_dir={f"merbench.{name}": name for name in top},
    package_data={
        "merbench": ["py.typed", "*.pyi"],
        "merbench.cli": ["skeletons/*/*.txt"],
        "merbench.databases": ["reading/*.yaml", "releases/*.csv"],
        "merbench.site": ["templates/*.html", "static/*"],
        "merbench.methods": ["**/*"],  # all that is part of a method's code digest: weights, lists, nested folders
        "merbench.protocols": ["*.yaml", "*.bib", "families/*.yaml", "lists/*.csv"],
        "merbench.results": ["*.md", "*.yaml", "*.csv", "*.json", "published/*", "leaderboard/*/*/*", "audits/*/*"],
    },
    # Hidden files and caches, wherever they lie; * matches across folders here.
    exclude_package_data={"merbench.methods": [".*", "*/.*", "*__pycache__*", "*.pyc"]},
)
