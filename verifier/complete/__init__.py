"""Complete verification: branch and bound over activations and over inputs, and the portfolio of both."""
