#!/bin/sh
# Makes every committed table, comparison and picture again from the committed records, and the page of a suite that
# needs no more than them: `make tables`.
# tests/test_committed.py runs these lines too, and compares what they print with what is committed.
set -e

benchmarks table --suite toys --records results/records/toys.csv --methods core,references --format markdown > results/tables/toys.md
benchmarks table --suite toys --records results/records/toys.csv --seeds 3 --format markdown > results/tables/toys-methods.md
benchmarks table --suite quick --records results/records/quick.csv --show statistics,bound --format markdown > results/tables/quick.md
benchmarks table --suite quick --records results/records/quick.csv --figure results/tables/quick.png > /dev/null
benchmarks table --suite quick --records results/records/quick-methods.csv --format markdown > results/tables/quick-methods.md
benchmarks table --suite digits --records results/records/digits.csv --format markdown > results/tables/digits.md
benchmarks table --suite digits --steps-scale compress:0.2 --records results/records/digits-short.csv --format markdown > results/tables/digits-short.md
benchmarks table --suite digits-cdan --records results/records/digits-cdan.csv --show target_train_accuracy --format markdown > results/tables/digits-cdan.md
benchmarks table --suite digits-2000 --records results/records/digits-2000.csv --show target_train_accuracy --format markdown > results/tables/digits-2000.md
benchmarks table --suite mnist-m --records results/records/mnist-m.csv --format markdown > results/tables/mnist-m.md
benchmarks table --suite amazon --records results/records/amazon.csv --format markdown > results/tables/amazon.md
benchmarks table --suite amazon-jmlr --records results/records/amazon-jmlr.csv --show validators --format markdown > results/tables/amazon-jmlr.md
benchmarks table --suite amazon-cmd --records results/records/amazon-cmd.csv --show validators --format markdown > results/tables/amazon-cmd.md
benchmarks table --suite office-caltech --records results/records/office-caltech.csv --format markdown > results/tables/office-caltech.md
benchmarks table --suite office-caltech-surf --records results/records/office-caltech-surf.csv --format markdown > results/tables/office-caltech-surf.md
benchmarks table --suite office-caltech-surf --records results/records/office-caltech-surf-methods.csv --format markdown > results/tables/office-caltech-surf-methods.md
benchmarks table --suite har --records results/records/har.csv --show target_macro_f1 --format markdown > results/tables/har.md
benchmarks table --suite gas-drift --records results/records/gas-drift.csv --format markdown > results/tables/gas-drift.md
benchmarks table --suite gas-drift --records results/records/gas-drift-methods.csv --format markdown > results/tables/gas-drift-methods.md
benchmarks table --suite gas-drift-1nn --records results/records/gas-drift-1nn.csv --format markdown > results/tables/gas-drift-1nn.md
benchmarks table --suite sentiment --records results/records/sentiment.csv --show target_auc,target_class_mean_accuracy --format markdown > results/tables/sentiment.md
benchmarks table --suite gas-drift-pairs --records results/records/gas-drift-pairs.csv --format markdown > results/tables/gas-drift-pairs.md
benchmarks table --suite bearings --records results/records/bearings.csv --format markdown > results/tables/bearings.md
benchmarks table --suite bearings --records results/records/bearings-methods.csv --format markdown > results/tables/bearings-methods.md
benchmarks table --suite bearings-machines --records results/records/bearings-machines.csv --format markdown > results/tables/bearings-machines.md
benchmarks table --suite eeg --records results/records/eeg.csv --format markdown > results/tables/eeg.md
benchmarks table --suite eeg --records results/records/eeg-methods.csv --format markdown > results/tables/eeg-methods.md
benchmarks table --suite pairs --records results/records/pairs.csv --format markdown > results/tables/pairs.md
benchmarks table --suite pairs --records results/records/pairs-methods.csv --format markdown > results/tables/pairs-methods.md
benchmarks table --suite few --records results/records/few.csv --format markdown > results/tables/few.md
benchmarks table --suite partial --records results/records/partial.csv --show target_absent_share --format markdown > results/tables/partial.md
benchmarks table --suite open --records results/records/open.csv --show target_os_star,target_unknown_accuracy,target_os --format markdown > results/tables/open.md
benchmarks table --suite few-digits --records results/records/few-digits.csv --tasks 'digits/mnist-usps?shots=1&source_size=2000,digits/mnist-usps?shots=3&source_size=2000,digits/mnist-usps?shots=5&source_size=2000,digits/mnist-usps?shots=7&source_size=2000' --format markdown > results/tables/few-digits.md
benchmarks table --suite open-digits --records results/records/open-digits.csv --show target_os_star,target_unknown_accuracy,target_os --format markdown > results/tables/open-digits.md
benchmarks table --suite label-shift --records results/records/label-shift.csv --show shares --format markdown > results/tables/label-shift.md
benchmarks table --suite multi-source --records results/records/multi-source.csv --format markdown > results/tables/multi-source.md
benchmarks table --suite few --records results/records/few-sweep.csv --tasks 'digits/mnist5k-optdigits?split=seed,sentiment/products-tweets?split=seed' --sweep shots=0,1,3,5,10,20,50 --methods source_only,fine_tune,mme,dann --format markdown > results/tables/few-sweep.md
benchmarks table --suite few --records results/records/few-sweep.csv --tasks 'digits/mnist5k-optdigits?split=seed,sentiment/products-tweets?split=seed' --sweep shots=0,1,3,5,10,20,50 --methods source_only,fine_tune,mme,dann --sweep-figure results/tables/few-sweep.png > /dev/null
benchmarks table --suite label-shift --records results/records/label-shift-sweep.csv --tasks 'digits/mnist5k-optdigits?split=seed' --sweep prior=10,1,0.5,0.2,0.1 --methods source_only,dan,dann,cdan_e,iwdan --format markdown > results/tables/label-shift-digits.md
benchmarks table --suite label-shift --records results/records/label-shift-sweep.csv --tasks 'digits/mnist5k-optdigits?split=seed' --sweep prior=10,1,0.5,0.2,0.1 --methods source_only,dan,dann,cdan_e,iwdan --sweep-figure results/tables/label-shift-digits.png > /dev/null
benchmarks table --suite label-shift --records results/records/label-shift-sweep.csv --tasks 'sentiment/products-tweets?split=seed' --sweep prior=0.9:0.1,0.7:0.3,0.5:0.5,0.3:0.7,0.1:0.9 --methods source_only,dan,dann,cdan_e,iwdan --format markdown > results/tables/label-shift-sentiment.md
benchmarks table --suite label-shift --records results/records/label-shift-sweep.csv --tasks 'sentiment/products-tweets?split=seed' --sweep prior=0.9:0.1,0.7:0.3,0.5:0.5,0.3:0.7,0.1:0.9 --methods source_only,dan,dann,cdan_e,iwdan --sweep-figure results/tables/label-shift-sentiment.png > /dev/null
benchmarks compare --suite digits --records results/records/digits.csv --format markdown > results/tables/digits-compare.md
benchmarks compare --suite digits-cdan --records results/records/digits-cdan.csv --format markdown > results/tables/digits-cdan-compare.md
benchmarks compare --suite digits-2000 --records results/records/digits-2000.csv --format markdown > results/tables/digits-2000-compare.md
benchmarks compare --suite mnist-m --records results/records/mnist-m.csv --format markdown > results/tables/mnist-m-compare.md
benchmarks compare --suite amazon-jmlr --records results/records/amazon-jmlr.csv --format markdown > results/tables/amazon-jmlr-compare.md
benchmarks compare --suite amazon-cmd --records results/records/amazon-cmd.csv --format markdown > results/tables/amazon-cmd-compare.md
benchmarks compare --suite office-caltech-surf --records results/records/office-caltech-surf.csv --format markdown > results/tables/office-caltech-surf-compare.md
benchmarks compare --suite office-caltech-surf --records results/records/office-caltech-surf-methods.csv --format markdown > results/tables/office-caltech-surf-methods-compare.md
benchmarks compare --suite few-digits --records results/records/few-digits.csv --format markdown > results/tables/few-digits-compare.md
benchmarks compare --suite open-digits --records results/records/open-digits.csv --format markdown > results/tables/open-digits-compare.md
benchmarks compare --suite har --records results/records/har.csv --format markdown > results/tables/har-compare.md
benchmarks compare --suite gas-drift-1nn --records results/records/gas-drift-1nn.csv --format markdown > results/tables/gas-drift-1nn-compare.md
benchmarks report --suite amazon --records results/records/amazon.csv --out results/reports/amazon.html > /dev/null
benchmarks report --suite few --records results/records/few-sweep.csv --tasks 'digits/mnist5k-optdigits?split=seed,sentiment/products-tweets?split=seed' --sweep shots=0,1,3,5,10,20,50 --methods source_only,fine_tune,mme,dann --out results/reports/few-sweep.html > /dev/null
benchmarks report --suite label-shift --records results/records/label-shift-sweep.csv --tasks 'digits/mnist5k-optdigits?split=seed' --sweep prior=10,1,0.5,0.2,0.1 --methods source_only,dan,dann,cdan_e,iwdan --out results/reports/label-shift-digits.html > /dev/null
benchmarks report --suite label-shift --records results/records/label-shift-sweep.csv --tasks 'sentiment/products-tweets?split=seed' --sweep prior=0.9:0.1,0.7:0.3,0.5:0.5,0.3:0.7,0.1:0.9 --methods source_only,dan,dann,cdan_e,iwdan --out results/reports/label-shift-sentiment.html > /dev/null
benchmarks advise --evaluate --methods all > results/tables/advice-methods.md
benchmarks advise --evaluate --save-record results/advice/record.csv > results/tables/advice.md
