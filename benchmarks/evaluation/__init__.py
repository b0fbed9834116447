"""Scores of saved outputs. Only `oracle` reads target labels.

This file is light: the command line reads here what a model can be selected by.
"""

SELECTABLE = {
    "source_accuracy": "Gulrajani and Lopez-Paz, ICLR 2021, In Search of Lost Domain Generalization",
    "entropy": "Morerio et al., ICLR 2018, Minimal-Entropy Correlation Alignment",
    "im": "Shi and Sha, ICML 2012, Information-Theoretical Learning of Discriminative Clusters",
    "snd": "Saito et al., ICCV 2021, Tune it the Right Way",
    "bnm": "Cui et al., CVPR 2020, Towards Discriminability and Diversity: Batch Nuclear-norm Maximization",
    "dev": "You et al., ICML 2019, Towards Accurate Model Selection in Deep Unsupervised Domain Adaptation",
    "iwcv": "Sugiyama et al., JMLR 2007, Covariate Shift Adaptation by Importance Weighted Cross Validation",
    "proxy_a_distance": "Ben-David et al., NeurIPS 2006, Analysis of Representations for Domain Adaptation",
    "mixval": "Hu et al., NeurIPS 2023, Mixed Samples as Probes for Unsupervised Model Selection",
    "reverse_validation": "Ganin et al., JMLR 2016, section 5.1.2, after Zhong et al., ECML 2010",
}
"""Validators by name, with their papers. Reverse validation's score takes a training run."""
