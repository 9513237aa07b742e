"""Results as pictures: contact sheets and pages."""
