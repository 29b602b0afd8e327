"""All of the platform's talking to therapists: who may be asked, when, why, and what came back."""
