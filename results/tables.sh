#!/bin/sh
# Makes every committed table, comparison and picture again from the committed records, and the page of a suite that
# needs no more than them: `make tables`.
# tests/test_committed.py runs these lines too, and compares what they print with what is committed.
set -e

benchmarks table --suite toys --records results/records/toys.csv --format markdown > results/tables/toys.md
benchmarks table --suite quick --records results/records/quick.csv --show statistics,bound --format markdown > results/tables/quick.md
benchmarks table --suite quick --records results/records/quick.csv --figure results/tables/quick.png > /dev/null
benchmarks table --suite digits --records results/records/digits.csv --format markdown > results/tables/digits.md
benchmarks table --suite digits-cdan --records results/records/digits-cdan.csv --show target_train_accuracy --format markdown > results/tables/digits-cdan.md
benchmarks table --suite digits-2000 --records results/records/digits-2000.csv --show target_train_accuracy --format markdown > results/tables/digits-2000.md
benchmarks table --suite mnist-m --records results/records/mnist-m.csv --format markdown > results/tables/mnist-m.md
benchmarks table --suite amazon --records results/records/amazon.csv --format markdown > results/tables/amazon.md
benchmarks table --suite amazon-jmlr --records results/records/amazon-jmlr.csv --show validators --format markdown > results/tables/amazon-jmlr.md
benchmarks table --suite amazon-cmd --records results/records/amazon-cmd.csv --show validators --format markdown > results/tables/amazon-cmd.md
benchmarks table --suite office-caltech-surf --records results/records/office-caltech-surf.csv --format markdown > results/tables/office-caltech-surf.md
benchmarks table --suite har --records results/records/har.csv --show target_macro_f1 --format markdown > results/tables/har.md
benchmarks table --suite gas-drift --records results/records/gas-drift.csv --format markdown > results/tables/gas-drift.md
benchmarks table --suite sentiment --records results/records/sentiment.csv --show target_auc,target_class_mean_accuracy --format markdown > results/tables/sentiment.md
benchmarks compare --suite digits --records results/records/digits.csv --format markdown > results/tables/digits-compare.md
benchmarks compare --suite digits-cdan --records results/records/digits-cdan.csv --format markdown > results/tables/digits-cdan-compare.md
benchmarks compare --suite digits-2000 --records results/records/digits-2000.csv --format markdown > results/tables/digits-2000-compare.md
benchmarks compare --suite mnist-m --records results/records/mnist-m.csv --format markdown > results/tables/mnist-m-compare.md
benchmarks compare --suite amazon-jmlr --records results/records/amazon-jmlr.csv --format markdown > results/tables/amazon-jmlr-compare.md
benchmarks compare --suite amazon-cmd --records results/records/amazon-cmd.csv --format markdown > results/tables/amazon-cmd-compare.md
benchmarks compare --suite office-caltech-surf --records results/records/office-caltech-surf.csv --format markdown > results/tables/office-caltech-surf-compare.md
benchmarks compare --suite har --records results/records/har.csv --format markdown > results/tables/har-compare.md
benchmarks report --suite amazon --records results/records/amazon.csv --out results/reports/amazon.html > /dev/null
benchmarks advise --evaluate --save-record results/advice/record.csv > results/tables/advice.md
