#!/usr/bin/env bash
# Verify the rows of the leaderboard that differ between this checkout and another one: bash .github/verify_rows.sh CHECKOUT
# Exit code 0: none differs, or all that differ are verified; deleted rows are listed only.
set -euo pipefail
theirs=${1:?the folder of the other checkout is missing}
rows() { (cd "$1" && find results/leaderboard -mindepth 2 -maxdepth 2 \( -type d -o -type l \) | LC_ALL=C sort); }
changed=()
while IFS= read -r row; do
  [ -L "$theirs/$row" ] && { echo "$row is a link" >&2; exit 1; }
  if [ -e "$theirs/$row/verification.json" ] &&
    ! diff --no-dereference -rq -x verification.json "$row" "$theirs/$row" >/dev/null 2>&1; then
    echo "$row comes with verification.json: a maintainer writes it, once the row is merged" >&2
    exit 1
  fi
  diff --no-dereference -rq "$row" "$theirs/$row" >/dev/null 2>&1 && continue
  lines=$(grep -F "${row##*/}," "$theirs/results/reproduced.csv" 2>/dev/null | grep -vxFf results/reproduced.csv || true)
  [ -z "$lines" ] || { echo "reproduced.csv has a line about $row: a maintainer adds it, once the row is merged" >&2; exit 1; }
  changed+=("$theirs/$row")
done < <(rows "$theirs")
LC_ALL=C comm -23 <(rows .) <(rows "$theirs") | sed 's/^/deleted: /'
code='results/leaderboard/[^/]*/[^/]*/code\(/.*\)?'
strange=$(cd "$theirs" && find results/leaderboard -mindepth 1 -maxdepth 2 ! -type d &&
  find results/leaderboard -mindepth 3 ! -type f ! \( -type d -regex "$code" \))
[ -z "$strange" ] || { printf 'neither a row nor a file of one: %q\n' "$strange" >&2; exit 1; }
if [ ${#changed[@]} -eq 0 ]; then
  echo "no row is new or changed"
  exit 0
fi
echo "${#changed[@]} new or changed rows"
exec uv run --no-sync merbench verify "${changed[@]}"
