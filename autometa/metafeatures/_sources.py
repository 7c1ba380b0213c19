"""Who defined the meta-features, cited once."""

AUTO_SKLEARN = "Feurer et al. 2015, Efficient and Robust Automated Machine Learning, NeurIPS; auto-sklearn 0.15.0"
BENSUSAN = (
    "Bensusan and Giraud-Carrier 2000, Discovering Task Neighbourhoods through Landmark Learning Performances, PKDD"
)
OPENML = "Vanschoren et al. 2014, OpenML: Networked Science in Machine Learning, SIGKDD Explorations 15(2); https://www.openml.org/search?type=measure"
PFAHRINGER = (
    "Pfahringer, Bensusan and Giraud-Carrier 2000, Meta-Learning by Landmarking Various Learning Algorithms, ICML"
)
REIF = "Reif 2012, A Comprehensive Dataset for Evaluating Approaches of Various Meta-Learning Tasks, ICPRAM"
STATLOG = "Michie, Spiegelhalter and Taylor 1994, Machine Learning, Neural and Statistical Classification, chapter 7"
