"""Writes clinic_a.csv, whose cells are labelled, and clinic_b.csv, whose cells are not.

Both are halves of scikit-learn's breast cancer data. What clinic B sees is a fifth larger, as if its microscope
magnified more: lengths are multiplied by 1.2, areas by 1.44. clinic_b_labelled.csv is clinic B with its labels.
"""

from sklearn.datasets import load_breast_cancer

cells = load_breast_cancer(as_frame=True)
table = cells.data.assign(diagnosis=cells.target_names[cells.target]).sample(frac=1, random_state=0)
a, b = table[:300], table[300:].copy()
for name in cells.feature_names:
    if "radius" in name or "perimeter" in name:
        b[name] *= 1.2
    elif "area" in name:
        b[name] *= 1.44
a.to_csv("clinic_a.csv", index=False)
b.drop(columns="diagnosis").to_csv("clinic_b.csv", index=False)
b.to_csv("clinic_b_labelled.csv", index=False)
